"""DICOM segmentations, read as label maps: 0 is outside, else the number of the segment."""
