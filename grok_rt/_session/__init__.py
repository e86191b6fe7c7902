"""The session's books: what was said, what it sets off, what is still open. Pure."""
