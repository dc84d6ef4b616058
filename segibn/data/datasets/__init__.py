"""One file a data set: where its files lie and what their labels mean."""
