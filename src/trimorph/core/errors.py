"""InputError: what a user can mend."""


class InputError(ValueError):
    """Input that cannot be used. The message says what was found, what was wanted and what to do.

    It names the file and, where there is one, the row and column. The command line prints it without a
    traceback; any other exception is a defect of the program.
    """
