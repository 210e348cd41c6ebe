"""A module a section: `view(contents)` gives the values that the template of the same name shows."""
