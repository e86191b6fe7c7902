"""What a client is made of: its life over connections, who pumps, who hears, and the verbs."""
