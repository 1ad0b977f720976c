"""Every error that steer raises on purpose.

    SteerError                 one line: what is wrong and the next command
    ├── UsageError             the request itself is wrong (the command line exits with 2)
    │   ├── PromptError        empty or too long
    │   ├── SettingsError      a setting out of its range
    │   ├── TasteError         what someone says of their taste cannot be understood
    │   ├── PickError          a choice inside a run makes no sense, or comes too late
    │   └── UnknownProfile     no profile has that name, or no profile can have it
    ├── SetupError         what a preset needs cannot be fetched or made
    ├── PresetError            a preset, or one of its parts, cannot run on this machine
    ├── ProposerError          the language model failed
    │   └── ServerDown         its server gives no answer, however often it is asked
    ├── RendererError          the renderer failed on more than single candidates
    │   └── RendererDown       its server gives no answer or no picture that is of use, whatever is asked for
    ├── ScorerError            the predictor failed on more than single candidates
    ├── StudyError             a study cannot be made, read, written or ranked
    ├── PageError              a page cannot be served on this machine
    ├── ProfileError           a profile cannot be read or written, or a rating or picture cannot go into it
    │   └── NotReady           no picture to rate is ready yet
    └── RecordError            a run folder cannot be read or written
        ├── RunLocked          another live process holds the run
        ├── RunExists          a run was to be made where there is one
        ├── LogGone            a log in use was removed or replaced by another program
        └── ResumeError        the run cannot be continued with what was given

Libraries raise; only the command line prints and exits.
"""


class SteerError(Exception):
    """What went wrong and what to do next, in one line."""


class UsageError(SteerError):
    """The request itself is wrong."""


class PromptError(UsageError):
    """The prompt is empty or too long."""


class SettingsError(UsageError):
    """A setting is out of its range."""


class PickError(UsageError):
    """A choice inside a run makes no sense, or comes too late."""


class UnknownProfile(UsageError):
    """No profile has that name, or no profile can have it."""


class PresetError(SteerError):
    """A preset, or one of its parts, cannot run on this machine."""


class SetupError(SteerError):
    """What a preset needs cannot be fetched or made here."""


class ProposerError(SteerError):
    """The language model failed."""


class ServerDown(ProposerError):
    """The language model's server gives no answer, however often it is asked."""


class RendererError(SteerError):
    """The renderer failed on the base prompt or on a whole batch."""


class RendererDown(RendererError):
    """The renderer's server gives no answer, or no picture that is of use, whatever it is asked for."""


class ScorerError(SteerError):
    """The predictor failed on the base prompt or on a whole batch."""


class StudyError(SteerError):
    """A study cannot be made, read, written or ranked."""


class PageError(SteerError):
    """A page cannot be served on this machine."""


class RecordError(SteerError):
    """A run folder cannot be read or written."""


class RunLocked(RecordError):
    """Another live process holds the run."""


class RunExists(RecordError):
    """A run was to be made in a folder that holds one."""


class LogGone(RecordError):
    """A log (a run's, a profile's, a rater's) was removed or replaced by another program while in use."""


class ResumeError(RecordError):
    """The run cannot be continued with what was given."""


class TasteError(UsageError):
    """What someone says of their taste cannot be understood."""


class ProfileError(SteerError):
    """A profile cannot be read or written, or a rating or picture cannot go into it."""


class NotReady(ProfileError):
    """No picture to rate is ready yet."""
