from __future__ import annotations

import pytest
import torch

from facedeblur.models.facenet import InceptionResnetV1


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return InceptionResnetV1().eval()


def test_layers_have_the_names_and_number_of_weights_of_the_public_files(network):
    """The published VGGFace2 classifier has 27,910,327 parameters, 4,427,703 of them in its 8,631 logits."""
    assert sum(parameter.numel() for parameter in network.parameters()) == 27_910_327 - (512 + 1) * 8631
    names = network.state_dict()
    for name, shape in {
        "conv2d_1a.conv.weight": (32, 3, 3, 3),
        "repeat_1.4.branch2.2.conv.weight": (32, 32, 3, 3),
        "repeat_2.9.branch1.1.conv.weight": (128, 128, 1, 7),
        "mixed_6a.branch1.2.bn.running_var": (256,),
        "mixed_7a.branch2.1.conv.weight": (256, 256, 3, 3),
        "repeat_3.0.conv2d.bias": (1792,),
        "block8.branch1.2.conv.weight": (192, 192, 3, 1),
        "last_linear.weight": (512, 1792),
        "last_bn.running_mean": (512,),
    }.items():
        assert tuple(names[name].shape) == shape, name
    assert not any("relu" in name or "pool" in name for name in names)


def test_faces_become_directions(network):
    sizes = {}
    for name in ("conv2d_4b", "mixed_6a", "mixed_7a"):
        getattr(network, name).register_forward_hook(
            lambda m, i, o, name=name: sizes.update({name: tuple(o.shape[1:])})
        )
    with torch.no_grad():
        faces = torch.rand(2, 3, 160, 160) * 2 - 1
        embeddings = network(faces)
    assert sizes == {"conv2d_4b": (256, 17, 17), "mixed_6a": (896, 8, 8), "mixed_7a": (1792, 3, 3)}
    assert embeddings.shape == (2, 512)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(2))


def test_the_last_block_has_no_relu(network):
    with torch.no_grad():
        assert (network.block8(torch.randn(1, 1792, 3, 3)) < 0).any()
        assert (network.repeat_3[0](torch.randn(1, 1792, 3, 3)) >= 0).all()
