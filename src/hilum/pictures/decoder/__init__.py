"""The program that decodes: a process of its own, in a cage, told by the gateway what to draw.

| module | what it is |
|---|---|
| `__main__` | one request after the other, until the gateway is gone |
| `cage` | limits, and what the kernel lets it do once it is ready |
| `header` | what a header says of greys, windows, spacing, frame by frame |
| `grey` | stored values to greys; pure |
| `pixels` | a frame's stored values, by the decoder of its transfer syntax |
| `lossless` | the decoder of JPEG lossless, which no library that we may use has |
| `geometry` | where the pixels of one plane lie in another; pure |
| `segmentation`, `colour` | which frames lie over a source, and in which colours |
| `drawing` | a frame and what lies over it as a PNG file |
| `description` | what the gateway has to know of an instance |
| `warming` | has every library loaded before the cage is closed |
"""
