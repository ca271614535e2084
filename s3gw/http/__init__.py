"""HTTP/1.1 on a connection, over uvicorn: framing, limits and deadlines. What a request means doesn't live here."""
