"""Questions and answers: whose turn it is, what is sent, and what the answer is made of."""
