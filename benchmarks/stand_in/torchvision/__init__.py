"""The little of torchvision that the peers need, for machines where torchvision cannot be installed."""
