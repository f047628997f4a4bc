"""What blind deconvolution is made of: batched PyTorch, per-image kernels, one idea a module.

fourier.py         transfer functions, circular differences, convolution by FFT, the masked model
boundary.py        images made periodic; tapered and replicated borders
pyramid.py         kernel sides of the levels, images down, kernels up
kernel_step.py     a kernel from the gradients of a blurry and of a latent image
kernel_cleanup.py  thresholds, connected components, centring
edges.py           which gradients a kernel is estimated from
halfquadratic.py  quadratic problems solved in the Fourier domain
l0.py              latent images with few gradients, few bright or few dark pixels
nonblind.py        the last image, with a kernel that is known
driver.py          coarse to fine, in chunks, behind the Deblurrer interface

Convention: a blurry image is `y = x * k + noise`, a true convolution with a kernel of odd side that sums to one and is
centred on its middle tap. Images are (B, C, H, W) in [0, 1], kernels (B, 1, side, side): one an image, shared by its
channels. Every function works on the type and device of its input and keeps no state.
"""
