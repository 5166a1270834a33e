"""The wire dialects: pure translation between what travels and the venue's own words."""
