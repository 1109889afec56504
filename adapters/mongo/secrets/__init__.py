"""Keys of people and of the store, and what is sealed with them."""
