"""One connection: its two threads, its two queues, and the session's books among them."""
