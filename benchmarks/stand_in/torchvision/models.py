"""VGG-19 as torchvision numbers its layers, with the weights in the file that VGG19 names."""

import os
from enum import Enum

import torch
from torch import nn


class VGG19_Weights(Enum):  # noqa: N801
    IMAGENET1K_V1 = 1


class VGG19(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for width, count in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
            for _ in range(count):
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU(inplace=True)]
                before = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)


def vgg19(weights: VGG19_Weights) -> VGG19:  # noqa: ARG001
    network = VGG19()
    network.load_state_dict(torch.load(os.environ["VGG19"], weights_only=True), strict=False)  # may end early
    return network
