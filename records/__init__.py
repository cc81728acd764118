"""The middle floor: what people work on; it imports accounts and knows nothing of exports."""
