"""Read models: their documents, cursors and letters, and how they are asked."""
