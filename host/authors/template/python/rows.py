"""What the plugin computes, as plain Python: `python3 -m unittest` tests it without any host."""


def change_pct(open_, close):
    """100 x (close - open) / open; none where the open is 0. Prices are unscaled integers: a ratio does not care."""
    return 100.0 * (close - open_) / open_ if open_ else None


def enough_volume(volumes, least):
    """The positions of the rows that are kept, and those that are not."""
    low = [row for row, volume in enumerate(volumes) if volume is not None and volume < least]
    if not low:
        return range(len(volumes)), low
    rejected = set(low)
    return [row for row in range(len(volumes)) if row not in rejected], low
