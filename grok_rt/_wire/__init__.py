"""Between bytes and events: messages, frames, TLS, the way to a server. No thread, no session."""
