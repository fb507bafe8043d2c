"""From the files of a case to voxels on one grid, to upright slices, and exactly back."""
