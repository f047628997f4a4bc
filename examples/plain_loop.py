"""Train a network of your own in a plain PyTorch loop on pairs from a folder of videos, or "demo".

python examples/plain_loop.py ~/videos 200
"""

import sys

import torch
from torch import nn
from torch.utils.data import DataLoader

import facedeblur
from facedeblur.losses import content_gradient_loss, content_image_loss
from facedeblur.metrics import psnr


def main(folder: str = "demo", steps: str = "50") -> None:
    pairs = facedeblur.pairs(folder, blur="pravg11", size=128)
    network = nn.Sequential(nn.Conv2d(3, 32, 5, padding=2), nn.ReLU(), nn.Conv2d(32, 3, 5, padding=2))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    left, epoch = int(steps), 0
    while left > 0:
        pairs.set_epoch(epoch)
        for blurry, sharp, _ in DataLoader(pairs, batch_size=8):
            restored = (blurry + network(blurry)).clamp(0, 1)
            loss = content_image_loss(restored, sharp) + content_gradient_loss(restored, sharp)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            left -= 1
            if left % 10 == 0:
                gain = (psnr(restored, sharp) - psnr(blurry, sharp)).mean()
                print(f"{left} steps left: loss {loss:.4f}, {gain:+.2f} dB over the blurred images")
            if left <= 0:
                break
        epoch += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
