"""The patch network of Chakrabarti, "A neural approach to blind motion deblurring", ECCV 2016.

Section 3: from four frequency bands of a blurry 65x65 patch of gray values, fully connected layers predict the Fourier
coefficients of a filter that deblurs this patch. The filtered patches, of which the middle 33x33 pixels are used, are
averaged under a Hanning window into a first estimate of the sharp image (section 3.4).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PATCH = 65  # side of a patch, odd
CENTRE = 33  # side of its part that is used
# low frequencies of the whole patch, then an octave at three resolutions: (side of the window, above, up to)
BANDS = ((65, -1, 4), (65, 4, 8), (33, 4, 8), (17, 4, 8))
# every layer: name -> the layers or bands before it; widths in units of `units`
LAYERS = {
    "l1_1": ("band1", "band2"),
    "l1_2": ("band2", "band3"),
    "l1_3": ("band3", "band4"),
    "l2_1": ("l1_1", "l1_2"),
    "l2_2": ("l1_2", "l1_3"),
    "gb_1": ("l2_1", "l2_2"),
    "gb_2": ("gb_1",),
    "gb_3": ("gb_2",),
    "gb_4": ("gb_3",),
    "gb_5": ("gb_4",),
    "output": ("gb_5",),
}
_WIDTHS = {"l1": 1, "l2": 2, "gb": 4}


class PatchNet(nn.Module):
    """Blurry patches (N, 65, 65) of gray values in [0, 1] -> their middles (N, 33, 33), deblurred.

    band1 ... band4 hold the whitened transforms of the four bands, (coefficients, 65 * 65), part of the state; fresh
    ones are not whitened yet, see `whiten`.

    Args:
        units: of a layer of the first level; 1024 in the paper, which gives 110,755,968 parameters.
    """

    def __init__(self, units: int = 1024) -> None:
        super().__init__()
        widths = {}
        for number, (side, above, up_to) in enumerate(BANDS, 1):
            basis = fourier_basis(side, above, up_to)
            if number == 1:  # the mean belongs to the lowest band
                basis = torch.cat([torch.full((1, PATCH**2), 1 / PATCH), basis])
            self.register_buffer(f"band{number}", basis)
            widths[f"band{number}"] = len(basis)
        full = fourier_basis(PATCH, -1, PATCH)
        self.register_buffer("full", full, persistent=False)
        self.layers = nn.ModuleDict()
        for name, before in LAYERS.items():
            widths[name] = len(full) if name == "output" else _WIDTHS[name[:2]] * units
            self.layers[name] = layer = nn.Linear(sum(widths[one] for one in before), widths[name])
            gain = 1 if name == "output" else 2
            nn.init.normal_(layer.weight, 0, 1 / math.sqrt(gain * layer.in_features))
            nn.init.zeros_(layer.bias)

    def forward(self, patches: Tensor) -> Tensor:
        return self.deblurred(patches, CENTRE)

    def deblurred(self, patches: Tensor, side: int = PATCH) -> Tensor:
        """As forward, with the middle (N, side, side) of the result."""
        flat = patches.flatten(1)
        values = {f"band{n}": F.linear(flat - 0.5, getattr(self, f"band{n}")) for n in range(1, len(BANDS) + 1)}
        for name, before in LAYERS.items():
            inputs = torch.cat([values[one] for one in before], dim=1)
            result = self.layers[name](inputs)
            values[name] = result if name == "output" else F.relu(result)
        # coefficients lie in pairs, real and imaginary part: the product of two of them is the convolution
        real, imaginary = F.linear(flat, self.full).unflatten(1, (-1, 2)).unbind(2)
        a, b = values["output"].unflatten(1, (-1, 2)).unbind(2)
        filtered = torch.stack([real * a - imaginary * b, real * b + imaginary * a], dim=2).flatten(1)
        margin = (PATCH - side) // 2
        middle = self.full.unflatten(1, (PATCH, PATCH))[:, margin : margin + side, margin : margin + side]
        result = filtered @ middle.flatten(1) + flat.mean(dim=1, keepdim=True)
        return result.unflatten(1, (side, side))

    @torch.no_grad()
    def whiten(self, patches: Tensor) -> None:
        """Sets the bands so that their coefficients over `patches` (N, 65, 65) have the identity as covariance.

        Directions in which the patches hardly vary are left as large as the smallest others would make them.
        """
        flat = patches.flatten(1).double() - 0.5
        for number, (side, above, up_to) in enumerate(BANDS, 1):
            basis = fourier_basis(side, above, up_to, torch.float64).to(flat.device)
            if number == 1:
                basis = torch.cat([basis.new_full((1, PATCH**2), 1 / PATCH), basis])
            variances, directions = torch.linalg.eigh(torch.cov((flat @ basis.mT).mT))
            variances = variances.clamp_min(1e-6 * variances[-1].clamp_min(1e-12))
            getattr(self, f"band{number}").copy_((directions / variances.sqrt()).mT @ basis)


def fourier_basis(side: int, above: int, up_to: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Rows cos, sin, cos, sin ... of the frequencies (u, v) of a half plane with above < max(|u|, |v|) <= up_to.

    They live on the middle `side` x `side` pixels of a patch: (2 * frequencies, 65 * 65), pixels row by row, each row
    of norm about 1; without the mean. With all frequencies of side 65 they are an orthonormal basis of the patches of
    mean 0. The order is the authors': horizontal frequency 0 first, vertical ones rising within.
    """
    reach = side // 2
    frequencies = [(u, v) for u in range(reach + 1) for v in range(-reach, reach + 1) if u > 0 or v > 0]
    kept = [(u, v) for u, v in frequencies if above < max(u, abs(v)) <= up_to]
    places = 2 * math.pi / side * torch.arange(-reach, reach + 1, dtype=torch.float64)
    across, down = torch.tensor(kept, dtype=torch.float64).mT[..., None] * places
    cos_x, sin_x = across.cos().to(dtype)[:, None], across.sin().to(dtype)[:, None]
    cos_y, sin_y = down.cos().to(dtype)[..., None], down.sin().to(dtype)[..., None]
    waves = torch.stack([cos_x * cos_y - sin_x * sin_y, sin_x * cos_y + cos_x * sin_y], dim=1).flatten(0, 1)
    margin = (PATCH - side) // 2
    return F.pad(math.sqrt(2) / side * waves, (margin, margin, margin, margin)).flatten(1)


@torch.no_grad()
def neural_average(network: PatchNet, images: Tensor, stride: int = 4, batch: int = 1024) -> Tensor:
    """The first estimate of the sharp images, (B, 1, H, W) gray values in [0, 1] -> same (section 3.4).

    Patches lie `stride` pixels apart, 1 in the paper: at 4 every pixel is still the mean of 64 of them. The border is
    mirrored, where the authors' result lacks 16 pixels. batch: patches at a time.
    """
    height, width = images.shape[-2:]
    counts = [math.ceil((length - 1) / stride) + 1 for length in (height, width)]  # patches down and across
    margin, inner = PATCH // 2, CENTRE // 2
    padded = _mirror(_mirror(images, margin, (counts[0] - 1) * stride + PATCH, -2),
                     margin, (counts[1] - 1) * stride + PATCH, -1)  # fmt: skip
    size = tuple((count - 1) * stride + CENTRE for count in counts)
    places = torch.arange(1, CENTRE + 1, dtype=images.dtype, device=images.device)
    hanning = (math.pi * places / (CENTRE + 1)).sin().square()
    window = torch.outer(hanning, hanning)
    weight = F.fold(window.flatten()[:, None].expand(-1, math.prod(counts))[None], size, CENTRE, stride=stride)
    results = []
    for image in padded:
        patches = image[0].unfold(0, PATCH, stride).unfold(1, PATCH, stride).flatten(0, 1)
        middles = torch.cat([network(some).clamp(0, 1) for some in patches.split(batch)])
        summed = F.fold((middles * window).flatten(1).mT[None], size, CENTRE, stride=stride)
        results.append((summed / weight)[0, :, inner : inner + height, inner : inner + width])
    return torch.stack(results)


def _mirror(image: Tensor, margin: int, length: int, dim: int) -> Tensor:
    """The image with `margin` mirrored pixels before it along `dim`, and as many after it as make up `length`."""
    before = image.shape[dim]
    places = torch.arange(-margin, length - margin, device=image.device) % (2 * before)
    return image.index_select(dim, torch.where(places < before, places, 2 * before - 1 - places))


def patch_loss(deblurred: Tensor, sharp: Tensor) -> Tensor:
    """The training loss: mean squared error of (N, 65, 65) patches, errors limited to 1; without gradient beyond."""
    return (deblurred - sharp).clamp(-1, 1).square().mean()
