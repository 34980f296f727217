//! The tables that this package uses. The two kinds of tasks differ only in data.

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableName {
    /// The app's users.
    User,
    /// Grants and charges.
    Credit,
    /// The tasks of one kind.
    Tasks(TaskKind),
}

/// The statuses that `getActiveMediaTasks` counts, as the app's own function does, unless `connect` sets
/// others.
pub const ACTIVE_STATUSES: [&str; 2] = ["processing", "translating"];

/// A kind of task. Each kind has its own table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskKind {
    /// `media_tasks`: subtitles, videos, translations.
    Media,
    /// `ai_task`: everything else that the app generates.
    Ai,
}

impl TableName {
    /// All tables.
    pub const ALL: [Self; 4] =
        [Self::User, Self::Credit, Self::Tasks(TaskKind::Media), Self::Tasks(TaskKind::Ai)];

    /// The SQL name.
    pub fn sql(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Credit => "credit",
            Self::Tasks(kind) => kind.table(),
        }
    }

    /// The table with this SQL name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.sql() == name)
    }

    /// Whether an app may lack the table, if it calls no function that needs it.
    pub fn is_optional(self) -> bool {
        matches!(self, Self::Tasks(_))
    }
}

impl TaskKind {
    /// The table of this kind.
    pub fn table(self) -> &'static str {
        match self {
            Self::Media => "media_tasks",
            Self::Ai => "ai_task",
        }
    }

    /// The kind's JavaScript name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Media => "media",
            Self::Ai => "ai",
        }
    }

    /// The statuses of a task that is paid for and not done yet.
    pub fn statuses_at_risk(self) -> &'static [&'static str] {
        match self {
            Self::Media => &["pending", "downloading", "processing", "translating"],
            Self::Ai => &["pending", "processing"],
        }
    }

    /// Whether this status belongs to a further step: the user has the result of the steps before it.
    pub fn is_further_step(self, status: &str) -> bool {
        self == Self::Media && status == "translating"
    }

    /// Whether tasks of this kind can use a free trial.
    pub fn takes_trials(self) -> bool {
        self == Self::Media
    }

    /// The statuses that say that the user got the result.
    pub fn delivered_statuses(self) -> &'static [&'static str] {
        match self {
            Self::Media => &["extracted", "completed"],
            Self::Ai => &["success"],
        }
    }

    /// Whether a task with this status was delivered, failed or cancelled.
    pub fn is_over(self, status: &str) -> bool {
        let given_up = self == Self::Ai && status == "canceled";
        given_up || status == "failed" || self.delivered_statuses().contains(&status)
    }

    /// The `type` in the metadata of the charge made at a task's creation.
    pub fn charge_type(self) -> &'static str {
        match self {
            Self::Media => "media-task",
            Self::Ai => "ai-task",
        }
    }
}
