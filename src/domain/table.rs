//! The tables that this package uses. The two kinds of tasks differ in data only.

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableName {
    /// The app's users.
    User,
    /// Grants and charges.
    Credit,
    /// Tasks of a kind.
    Tasks(TaskKind),
}

/// The statuses that `getActiveMediaTasks` counts, unless `connect` names others: what the app's own
/// function counts.
pub const ACTIVE_STATUSES: [&str; 2] = ["processing", "translating"];

/// A kind of task, each with a table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskKind {
    /// `media_tasks`: subtitles, videos, translations.
    Media,
    /// `ai_task`: whatever else the app generates.
    Ai,
}

impl TableName {
    /// Every table.
    pub const ALL: [Self; 4] =
        [Self::User, Self::Credit, Self::Tasks(TaskKind::Media), Self::Tasks(TaskKind::Ai)];

    /// Its name in the database.
    pub fn sql(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Credit => "credit",
            Self::Tasks(kind) => kind.table(),
        }
    }

    /// The table with this name in the database.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.sql() == name)
    }

    /// Whether an app may be without it, as long as it calls no function that needs it.
    pub fn is_optional(self) -> bool {
        matches!(self, Self::Tasks(_))
    }
}

impl TaskKind {
    /// The name of its table.
    pub fn table(self) -> &'static str {
        match self {
            Self::Media => "media_tasks",
            Self::Ai => "ai_task",
        }
    }

    /// The kind as JavaScript reads it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Media => "media",
            Self::Ai => "ai",
        }
    }

    /// The statuses in which a task's credits are at risk: it is paid for, and not done.
    pub fn statuses_at_risk(self) -> &'static [&'static str] {
        match self {
            Self::Media => &["pending", "downloading", "processing", "translating"],
            Self::Ai => &["pending", "processing"],
        }
    }

    /// Whether this is the state of a further step: the user has what came before it.
    pub fn is_further_step(self, status: &str) -> bool {
        self == Self::Media && status == "translating"
    }

    /// Whether a task of this kind can take one of its user's free trials.
    pub fn takes_trials(self) -> bool {
        self == Self::Media
    }

    /// The statuses that say that the user got what was paid for.
    pub fn delivered_statuses(self) -> &'static [&'static str] {
        match self {
            Self::Media => &["extracted", "completed"],
            Self::Ai => &["success"],
        }
    }

    /// Whether a task in this state was delivered, has failed, or was given up.
    pub fn is_over(self, status: &str) -> bool {
        let given_up = self == Self::Ai && status == "canceled";
        given_up || status == "failed" || self.delivered_statuses().contains(&status)
    }

    /// The `type` in the metadata of the charge that created a task.
    pub fn charge_type(self) -> &'static str {
        match self {
            Self::Media => "media-task",
            Self::Ai => "ai-task",
        }
    }
}
