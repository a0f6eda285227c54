"""What is made of a file for servers of others."""
