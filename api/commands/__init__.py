"""The commands of this package, a file for each word after `bezant`. They alone print."""
