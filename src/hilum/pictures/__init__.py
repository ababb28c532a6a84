"""Pictures of a job's instances, decoded where it can do no harm.

| module | what it is |
|---|---|
| `order` | what is asked of the decoder, what it answers |
| `facts` | what the decoder tells of one instance |
| `catalogue` | series, their order, what lies over what; pure |
| `shelf` | the files of a job, and how they are opened |
| `gallery` | asks for pictures and catalogues, for the web |
| `channel` | messages and descriptors between the two processes |
| `process`, `pool` | the decoding processes as the gateway sees them |
| `placeholder`, `lettering` | what is shown instead of a picture |
| `decoder` | the program on the other side; nothing here imports it |

The gateway opens files and passes their descriptors on; it never looks into pixels, and none of these modules but
`decoder` imports numpy, Pillow or pydicom.
"""
