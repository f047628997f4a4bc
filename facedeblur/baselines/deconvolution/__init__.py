"""What blind deconvolution is made of: batched PyTorch, per-image kernels, one idea a module.

fourier.py         transfer functions, circular differences, convolution by FFT
paired_fft.py      two real planes filtered in one complex transform
boundary.py        images made periodic; tapered and replicated borders
pyramid.py         kernel sides of the levels, images down, kernels up
kernel_step.py     a kernel from the gradients of a blurry and of a latent image
kernel_cleanup.py  thresholds, connected components, centring
edges.py           which gradients a kernel is estimated from
halfquadratic.py   quadratic problems solved in the Fourier domain
l0.py              latent images with few gradients, few bright or few dark pixels
masked.py          the masked model: data within the frame, a scene beyond it
conjugate_gradient.py  many small systems at once
gram.py            a kernel as a nonnegative least-squares problem in its taps
variational.py     gradients and kernels with their uncertainty
hyper_laplacian.py, split_bregman.py, sparse.py, ringing.py  the last image, with a kernel that is known
driver.py          coarse to fine, in chunks, behind the Deblurrer interface

Convention: a blurry image is `y = x * k + noise`, a true convolution with a kernel of odd side that sums to one and is
centred on its middle tap. Images are (B, C, H, W) in [0, 1], kernels (B, 1, side, side): one an image, shared by its
channels. Every function works on the type and device of its input and keeps no state.
"""
