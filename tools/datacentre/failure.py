"""What a person reads when something goes wrong here."""


class DataCentreFailure(Exception):
    pass
