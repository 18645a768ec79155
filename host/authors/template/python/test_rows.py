"""Tests of the plain part; `spine-host plugin test` runs the component."""

import unittest

from manifest import MANIFEST
from rows import change_pct, enough_volume


class Rows(unittest.TestCase):
    def test_a_change_is_a_percentage_of_the_open(self):
        self.assertEqual(change_pct(10_000_000, 12_500_000), 25.0)
        self.assertIsNone(change_pct(0, 1))

    def test_rows_with_too_little_volume_are_told_apart(self):
        self.assertEqual(enough_volume([5, None, -1], 0), ([0, 1], [2]))
        self.assertEqual(enough_volume([5, None], 0), (range(2), []))

    def test_every_output_is_a_dataset(self):
        datasets = {dataset["name"] for dataset in MANIFEST["datasets"]}
        for pipeline in MANIFEST["pipelines"]:
            self.assertLessEqual(set(pipeline["outputs"]), datasets)


if __name__ == "__main__":
    unittest.main()
