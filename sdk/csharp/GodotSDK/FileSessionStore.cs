#nullable enable
using System;
using System.IO;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK
{
    /// <summary>
    /// Keeps the session in a file. In Godot give it <c>ProjectSettings.GlobalizePath("user://session.json")</c>, in Unity a path in
    /// <c>Application.persistentDataPath</c>.
    /// </summary>
    public sealed class FileSessionStore : ISessionStore, ISessionLock
    {
        private const int LockPauseMs = 20;

        private readonly string path;

        /// <summary>Keeps it in this file; its folder is made if need be.</summary>
        /// <param name="path">The file.</param>
        public FileSessionStore(string path)
        {
            this.path = Path.GetFullPath(path);
        }

        /// <inheritdoc/>
        public async Task<Session?> LoadAsync(CancellationToken cancel = default)
        {
            try
            {
                return Session.FromJson(await File.ReadAllTextAsync(path, cancel).ConfigureAwait(false));
            }
            catch (Exception e) when (e is FileNotFoundException || e is DirectoryNotFoundException)
            {
                return null;
            }
        }

        /// <inheritdoc/>
        public async Task SaveAsync(Session session, CancellationToken cancel = default)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            // A crash leaves the old file or the new one, never half of one.
            var fresh = $"{path}.{Guid.NewGuid():N}.tmp";
            try
            {
                await WriteAsync(fresh, session.ToJson(), cancel).ConfigureAwait(false);
                Replace(fresh);
            }
            finally
            {
                File.Delete(fresh);
            }
        }

        /// <inheritdoc/>
        public Task ClearAsync(CancellationToken cancel = default)
        {
            try
            {
                File.Delete(path);
            }
            catch (DirectoryNotFoundException)
            {
                // Then there is nothing to forget.
            }
            return Task.CompletedTask;
        }

        /// <inheritdoc/>
        public async Task<IDisposable> LockAsync(CancellationToken cancel = default)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            while (true)
            {
                try
                {
                    // Whose process ends lets go of it; an empty file that stays behind is in nobody's way.
                    return new FileStream($"{path}.lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
                }
                catch (IOException e) when (!(e is DirectoryNotFoundException || e is PathTooLongException))
                {
                    await Task.Delay(LockPauseMs, cancel).ConfigureAwait(false);
                }
            }
        }

        private static async Task WriteAsync(string file, string text, CancellationToken cancel)
        {
            using var stream = Create(file);
            var bytes = Encoding.UTF8.GetBytes(text);
            await stream.WriteAsync(bytes, 0, bytes.Length, cancel).ConfigureAwait(false);
            stream.Flush(flushToDisk: true);
        }

        // Who can read it can play as this player.
        private static FileStream Create(string file)
        {
#if NET7_0_OR_GREATER
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            return new FileStream(file, options);
#else
            return new FileStream(file, FileMode.CreateNew, FileAccess.Write);
#endif
        }

        private void Replace(string fresh)
        {
            if (File.Exists(path)) File.Replace(fresh, path, null);
            else File.Move(fresh, path);
        }
    }
}
