"""What torch may see of an archive: its members, tensors, programs and operators, checked."""
