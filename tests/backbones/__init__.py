"""Libraries of backbones with a quantum layer in the middle or as the head, exported unedited."""
