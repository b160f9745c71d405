"""One module a revision, from the first to the newest."""
