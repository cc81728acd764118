"""From a frozen request to a file: the manifest, the rows, their form on paper, the file itself."""
