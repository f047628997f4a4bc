"""What the compared networks are trained with: `compared.*` of a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from facedeblur.settings import check, check_count, is_positive

COMPARED = ("nah17", "kupyn17", "chakrabarti16", "nafnet")  # networks of others, trained on the same pairs


@dataclass(frozen=True)
class ComparedSettings:
    """The compared networks and their losses; each stage reads what it knows.

    Attributes:
        width: channels of the first layer, or units of chakrabarti16's first level; None: the paper's.
        blocks: residual blocks a scale (nah17), in all (kupyn17) or of the deepest level (nafnet); None: the paper's.
        content: nah17's loss at every scale, "mse" as in the paper or "l1" as in the authors' PyTorch release.
        adversarial: weight of nah17's adversarial loss; 0 trains without a critic.
        perceptual: weight of kupyn17's content loss.
        vgg: file of torchvision's VGG19 for it; None: L1 instead.
        critic_steps, penalty: critic steps a generator step, and weight of the gradient penalty, of kupyn17.
        patches: of each image in a batch, of chakrabarti16.
    """

    width: int | None = None
    blocks: int | None = None
    content: str = "mse"
    adversarial: float = 1e-4
    perceptual: float = 100.0
    vgg: str | None = None
    critic_steps: int = 5
    penalty: float = 10.0
    patches: int = 16

    def __post_init__(self) -> None:
        for name in ("width", "blocks"):
            check_count(name, getattr(self, name), 1, None)
        check(self.content in ("mse", "l1"), "content", "mse or l1", self.content)
        for name in ("adversarial", "perceptual", "penalty"):
            value = getattr(self, name)
            check(value == 0 or is_positive(value), name, "a number of at least 0", value)
        for name in ("critic_steps", "patches"):
            check_count(name, getattr(self, name))
