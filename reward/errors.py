"""Everything that `reward` raises on purpose.

RewardError
├── CheckpointError   a predictor or encoder folder is missing, damaged, or made for another encoder
├── UnknownPerson     no known person has that id or position
├── EmptyGroup        nobody known fits the demographic group, or the group makes no sense
├── BadContext        the rated images of a new person cannot describe a taste
├── ImageError        an image cannot be decoded
├── ScoreError        the predictor returned something that is not a finite number
├── BaselineError     a baseline's scores are wrong or missing, or it cannot run in this process
├── DatasetError      a data set on disk is missing, damaged or not in the expected layout
├── TrainingError     training went wrong where the data are right
└── MissingPackage    something needs an optional package that is not installed

Every message is one line that says what is wrong and what to do next.
"""


class RewardError(Exception):
    """Base of all errors raised on purpose by this package."""


class CheckpointError(RewardError):
    """A predictor or encoder folder is missing, damaged, or made for another encoder."""


class UnknownPerson(RewardError):
    """No known person has that id or position."""


class EmptyGroup(RewardError):
    """Nobody known fits the demographic group, or the group makes no sense."""


class BadContext(RewardError):
    """The rated images of a new person cannot describe a taste."""


class ImageError(RewardError):
    """An image cannot be decoded."""


class ScoreError(RewardError):
    """The predictor returned something that is not a finite number."""


class BaselineError(RewardError):
    """A baseline's scores are wrong or missing, or it cannot run in this process."""


class DatasetError(RewardError):
    """A data set on disk is missing, damaged or not in the expected layout."""


class TrainingError(RewardError):
    """Training went wrong where the data are right."""


class MissingPackage(RewardError):
    """Something needs an optional package that is not installed."""
