"""Projects, datasets and experiments by name, found or made: the seam beside `deliver.destination`."""
