#nullable enable
using System;

namespace GodotSDK
{
    /// <summary>How much a line in the log matters.</summary>
    public enum LogLevel
    {
        /// <summary>The course of things: connections made, lost and made again.</summary>
        Info,

        /// <summary>Something failed that nobody handles.</summary>
        Warning,

        /// <summary>A handler of the game's own threw.</summary>
        Error,
    }

    internal sealed class Log
    {
        private readonly Action<LogLevel, string>? sink;

        public Log(Action<LogLevel, string>? sink)
        {
            this.sink = sink;
        }

        public void Info(string line) => Write(LogLevel.Info, line);

        public void Warning(string line) => Write(LogLevel.Warning, line);

        public void Error(string line) => Write(LogLevel.Error, line);

        private void Write(LogLevel level, string line)
        {
            try
            {
                if (sink != null) sink(level, line);
                else if (level != LogLevel.Info) Console.Error.WriteLine($"GodotSDK {level}: {line}");
            }
            catch (Exception)
            {
                // A log that cannot be written is no reason to end a game.
            }
        }
    }
}
