"""Backbones: trained 2-D U-Nets whose skip connections can be tapped."""
