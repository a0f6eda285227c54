"""Circuits with live weights: values and gradients by one compiled interpreter of gates."""
