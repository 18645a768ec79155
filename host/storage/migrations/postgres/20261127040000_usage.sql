-- What an attempt used of its host. None where no guest was called, for attempts whose host died, and for those of
-- versions that did not keep it.
ALTER TABLE attempts ADD COLUMN cpu_us BIGINT;
ALTER TABLE attempts ADD COLUMN wall_us BIGINT;
ALTER TABLE attempts ADD COLUMN memory_bytes_peak BIGINT;
ALTER TABLE attempts ADD COLUMN host_calls BIGINT;
ALTER TABLE attempts ADD COLUMN rows_in BIGINT;
ALTER TABLE attempts ADD COLUMN rows_out BIGINT;
ALTER TABLE attempts ADD COLUMN bytes_in BIGINT;
ALTER TABLE attempts ADD COLUMN bytes_out BIGINT;
