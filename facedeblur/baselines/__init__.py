"""The compared methods: deblurring by others, classical and learned, each behind the Deblurrer interface."""
