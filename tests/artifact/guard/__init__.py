"""Archives for torch, compared with what hybridx writes before torch sees them."""
