"""What the operator of a server may ask of it, over a Unix socket that nobody else can open."""
