"""What style-transfer-pytorch takes from torchvision.transforms.functional."""

from . import ToPILImage, ToTensor

to_tensor, to_pil_image = ToTensor(), ToPILImage()
