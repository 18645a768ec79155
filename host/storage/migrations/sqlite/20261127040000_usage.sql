-- What an attempt used of its host. None where no guest was called, for attempts whose host died, and for those of
-- versions that did not keep it.
ALTER TABLE attempts ADD COLUMN cpu_us INTEGER;
ALTER TABLE attempts ADD COLUMN wall_us INTEGER;
ALTER TABLE attempts ADD COLUMN memory_bytes_peak INTEGER;
ALTER TABLE attempts ADD COLUMN host_calls INTEGER;
ALTER TABLE attempts ADD COLUMN rows_in INTEGER;
ALTER TABLE attempts ADD COLUMN rows_out INTEGER;
ALTER TABLE attempts ADD COLUMN bytes_in INTEGER;
ALTER TABLE attempts ADD COLUMN bytes_out INTEGER;
