"""The compared networks behind the Deblurrer interface, with the authors' weights or those of a run of ours.

nah17    Nah, Kim and Lee, CVPR 2017: DeepDeblur-PyTorch's `model-1000.pt`
kupyn17  Kupyn et al., arXiv 1711.07064, "DeblurGAN": `latest_net_G.pth`
nafnet   Chen et al., ECCV 2022: `NAFNet-GoPro-width32.pth` and its like

None of the files can be shipped; docs/networks.md says where they are to be had.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facedeblur.baselines.authors_files import NetworkFile, read_network
from facedeblur.models import kupyn17, nah17
from facedeblur.models.checkpoint import fill
from facedeblur.models.deblurrer import run_padded
from facedeblur.models.nafnet import NAFNet
from facedeblur.models.registry import WeightsError

PIXELS = 4 * 256 * 256  # at a time: bounds the memory, and larger batches are no faster


class NetworkBaseline(ABC):
    """A Deblurrer around a compared network: images of any size, of which each is restored by itself.

    Pixels that are not finite count as black. An image's result does not depend on its batch within 1e-5.

    Args:
        path: the authors' file, or a run folder or checkpoint of ours.
        device: where it runs; None is that of the images.

    `origin` says whose weights they are, "authors' weights" or "retrained"; `fingerprint` is of the weights only.
    Raises WeightsError for a file that cannot be read or holds another network; the mismatch is named.
    """

    name = ""
    version = 1  # of what it computes: rows of another version do not stand beside this one's
    multiple, smallest = 1, 1  # of the sides

    def __init__(self, path: str | Path, device: str | torch.device | None = None) -> None:
        file = read_network(path, self.name)
        try:
            network = self.build(file)
        except (IndexError, ValueError) as error:  # no widths or depths to be read off such tensors
            raise WeightsError(f"{file.path}: of another architecture: {error}") from error
        self.network = network.requires_grad_(False).eval().to(memory_format=torch.channels_last)
        self.device, self.path, self.origin = device, file.path, file.origin
        self.fingerprint = fingerprint(self.network.state_dict())
        if device is not None:
            self.network.to(device)

    @abstractmethod
    def build(self, file: NetworkFile) -> nn.Module:
        """The network with the file's tensors."""

    @abstractmethod
    def restore(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1], sides fit for the network -> restored, not clamped."""

    def __call__(self, images: Tensor) -> Tensor:
        """Blurry images (B, 3, H, W) in [0, 1] -> restored ones, same shape, type and device."""
        if len(images) == 0:
            return images.clone()
        usable = torch.nan_to_num(images, 0.0, 1.0, 0.0).clamp(0, 1) if images.is_floating_point() else images
        if usable.ndim == 4:  # run_padded names what is wrong with others
            usable = self._enlarged(usable)
        device = self.device or images.device
        if next(self.network.parameters()).device != torch.device(device):
            self.network.to(device)
        count = max(1, PIXELS // max(1, usable[:1].numel() // 3))
        restored = [run_padded(self._channels_last, chunk, device, self.multiple) for chunk in usable.split(count)]
        return torch.cat(restored)[..., : images.shape[-2], : images.shape[-1]]

    def _channels_last(self, images: Tensor) -> Tensor:
        return self.restore(images.contiguous(memory_format=torch.channels_last)).float()

    def _enlarged(self, images: Tensor) -> Tensor:
        """The images, their last rows and columns repeated up to the smallest sides the network takes."""
        below, right = (max(0, self.smallest - side) for side in images.shape[-2:])
        return F.pad(images, (0, right, 0, below), mode="replicate") if below or right else images


class Nah17(NetworkBaseline):
    """The three-scale network of Nah et al. 2017; of its three results the finest."""

    name = "nah17"
    multiple = nah17.MULTIPLE

    def build(self, file: NetworkFile) -> nn.Module:
        width = file.tensors["body_models.0.body.0.weight"].shape[0]
        layers = {int(key.split(".")[3]) for key in file.tensors if key.startswith("body_models.0.body.")}
        network = nah17.MultiScaleNet(width, max(layers) - 1)
        fill(network.state_dict(), file.tensors, file.path)
        return network

    def restore(self, images: Tensor) -> Tensor:
        return (self.network(2 * images - 1)[0] + 1) / 2


class Kupyn17(NetworkBaseline):
    """DeblurGAN's generator, without the dropout that the authors leave on: the same result every time."""

    name = "kupyn17"
    multiple, smallest = kupyn17.MULTIPLE, kupyn17.SMALLEST

    def build(self, file: NetworkFile) -> nn.Module:
        tensors = kupyn17_tensors(file.tensors, file.path)
        width = tensors["model.1.weight"].shape[0]
        blocks = len({key.split(".")[1] for key in tensors if ".conv_block." in key})
        network = kupyn17.ResnetGenerator(width, blocks)
        fill(network.state_dict(), tensors, file.path)
        return network

    def restore(self, images: Tensor) -> Tensor:
        return (self.network(2 * images - 1) + 1) / 2


class Nafnet(NetworkBaseline):
    """NAFNet, of the width and depth that its file has."""

    name = "nafnet"

    def build(self, file: NetworkFile) -> nn.Module:
        tensors = file.tensors

        def blocks(part: str) -> int:
            return len({m[1] for key in tensors if (m := re.match(rf"{re.escape(part)}\.(\d+)\.", key))})

        levels = range(blocks("downs"))
        network = NAFNet(
            tensors["intro.weight"].shape[0],
            [blocks(f"encoders.{level}") for level in levels],
            blocks("middle_blks"),
            [blocks(f"decoders.{level}") for level in levels],
        )
        fill(network.state_dict(), tensors, file.path)
        self.multiple = network.multiple
        return network

    def restore(self, images: Tensor) -> Tensor:
        return self.network(images)


def kupyn17_tensors(tensors: Mapping[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """The tensors of a DeblurGAN file under the names of blocks with dropout, instance norm's statistics dropped.

    Old files hold running statistics, which instance norm never used; a network built without dropout numbers the
    second convolution of a block 5 instead of 6. Raises WeightsError for blocks of one convolution.
    """
    kept = {key: value for key, value in tensors.items() if not key.endswith(("running_mean", "running_var"))}
    kept = {key: value for key, value in kept.items() if not key.endswith("num_batches_tracked")}
    renamed = {re.sub(r"(conv_block)\.5\.", r"\1.6.", key): value for key, value in kept.items()}
    if "model.10.conv_block.6.weight" not in renamed:
        raise WeightsError(
            f"{path}: its residual blocks have one convolution, a slip of the authors' repository; "
            "the released weights, and kupyn17, have two"
        )
    return renamed


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """A hash of names, types and values, whatever file they came from."""
    digest = hashlib.sha256()
    for key, value in sorted(tensors.items()):
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
