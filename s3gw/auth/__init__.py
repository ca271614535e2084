"""Who asks, with what proof, and whether they may: signatures, credentials, the verified body, authorization."""
