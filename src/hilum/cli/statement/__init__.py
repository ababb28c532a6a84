"""The DICOM conformance statement of the gateway, made from its code and one configuration.

====================  ===========================================================================================
``document.py``       what a statement is made of: sections of paragraphs, tables and figures
``markdown.py``       it as Markdown; ``tree.py`` it as JSON
``facts.py``          what the sections are made from: one configuration, in the words of the steps
``whole.py``          the statement: cover, overview, introduction, and the chapters below
``networking.py``     implementation model, network interfaces
``services.py``       what overview and AEs share
``scp.py``            what the Storage SCP does; ``scp_answers.py`` what it answers
``scu.py``            what the Storage SCU does
``parameters.py``     configuration
``annexes.py``        media, character sets, security, annexes
====================  ===========================================================================================

What the code knows is asked of the code; what only prose can say stands here, beside the constant that it is about.

Source: PS3.2.
"""
