"""The command line: what people type and read. One file per command, or per noun that has several.

``app`` lists the commands. Each imports what it needs when it is run, so that help and completion stay fast; at the top
of these files stands only what costs nothing.

``exit`` says which status a command ends with, ``words`` turns values into text, ``output`` prints, ``options`` holds
the options that several commands share, ``peer`` reads where to connect to, ``ledger`` opens what a gateway wrote.
"""
