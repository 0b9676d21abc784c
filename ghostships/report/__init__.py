"""What the analyst opens: the output folder, its tables on disk, the layers for maps and the offline page."""
