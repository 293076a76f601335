"""Places and questions. A question is a modal screen with a typed answer and knows nothing of who asked."""
