#nullable enable
using System;
using System.Text;
using System.Threading.Tasks;

namespace GodotSDK
{
    /// <summary>What happens to the connection, from one attempt to the next.</summary>
    internal sealed partial class Connector : IDialer
    {
        void IDialer.Received(Dial dial, string text)
        {
            if (dial != current) return;
            conversation.Stats.FramesReceived += 1;
            conversation.Stats.BytesReceived += Encoding.UTF8.GetByteCount(text);
            conversation.Inbox.Read(text);
        }

        void IDialer.Malformed(Dial dial, string why)
        {
            if (dial == current) conversation.Inbox.Unreadable(why);
        }

        void IDialer.Ended(Dial dial, LinkEnd end)
        {
            if (dial != current) return;
            current = null;
            if (end.IsUnreadable) conversation.Inbox.Unreadable(end.Reason);
            if (phase == Phase.Open) Lost(end.Code, end.Reason);
            else _ = options.Background(() => ExplainAsync(dial, end));
        }

        void IDialer.TimedOut(Dial dial)
        {
            if (dial != current || phase != Phase.Dialing) return;
            var why = $"No welcome from the server within {options.ConnectTimeout.TotalMilliseconds} ms";
            DropAttempt(why);
            Failed(new GodraException("timeout", why) { CloseCode = CloseCodes.Normal });
        }

        private bool SendText(string text)
        {
            // Nobody is there any more between the end of a link and what follows from it.
            if (phase != Phase.Open || current == null || !current.Send(text)) return false;
            conversation.Stats.FramesSent += 1;
            conversation.Stats.BytesSent += Encoding.UTF8.GetByteCount(text);
            return true;
        }

        private void DialNow()
        {
            timer?.Dispose();
            phase = Phase.Dialing;
            _ = options.Background(DialAsync);
        }

        private async Task DialAsync()
        {
            try
            {
                var token = await tokens.FreshAsync(life.Token).ConfigureAwait(false);
                lock (gate) if (phase == Phase.Dialing) Open(token);
            }
            catch (Exception e)
            {
                var error = e as GodraException ?? new GodraException("unavailable", $"There is no token: {e.Message}", e);
                lock (gate) if (phase == Phase.Dialing) Failed(error);
            }
        }

        private void Open(string token)
        {
            // What one player has seen is not what another may see.
            if (tokens.UserOf(token) is string user && user != welcome?.UserId) conversation.Position.Forget();
            var address = addressOf(options.Resume ? conversation.Position.Resume : null);
            var request = new LinkRequest(address, token, options.MaxBufferedBytes, options.MaxMessageBytes);
            conversation.Inbox.Restart();
            usedToken = token;
            current = new Dial(request, this, gate, clock, spaceAsync);
            current.Start(link, options.ConnectTimeout);
        }

        private void Welcomed(Welcome? read, GodraException? error)
        {
            current!.StopTimer();
            if (read == null)
            {
                DropAttempt(error!.Message);
                Failed(error);
                return;
            }
            phase = Phase.Open;
            hasAskedForToken = false;
            welcome = read;
            attempts.Opened(clock.NowMs);
            conversation.Welcome(read);
            room.OnConnected(read);
            joined.TrySetResult(read);
        }

        private void Died()
        {
            const string reason = "no answer to a heartbeat";
            // 1006 may not be sent.
            Drop(CloseCodes.WillComeBack, reason);
            Lost(CloseCodes.Broken, reason);
        }

        private async Task ExplainAsync(Dial dial, LinkEnd end)
        {
            GodraException error;
            try
            {
                error = await Refusal.ExplainAsync(end, dial.IsOpened, api, life.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            lock (gate) if (phase == Phase.Dialing) Failed(error);
        }

        private void Lost(int code, string reason)
        {
            if (attempts.Lost(clock.NowMs)) lost = (code, reason);
            conversation.Lost($"The connection was lost ({code}{(reason == "" ? "" : $": {reason}")})");
            if (code == CloseCodes.TokenExpired) tokens.Refused(usedToken, isOver: IsSessionOver(reason));
            if (isLeaving) End(CloseCodes.Normal, ClosedByClient, null);
            else if (ComesBack(code, reason)) ComeBack(code, reason);
            else if (code == CloseCodes.TokenExpired) EndOfSession(Refusal.Closed(new LinkEnd(code, reason)));
            else End(code, reason, Refusal.Closed(new LinkEnd(code, reason)));
        }

        private void ComeBack(int code, string reason)
        {
            var next = RetryLater(code, null);
            room.OnDisconnected(new DisconnectedArgs(code, reason, true, null));
            room.OnReconnecting(next);
            if (code == CloseCodes.TokenExpired) _ = options.Background(RenewAsync);
        }

        // So that the end of a session is known before the first attempt, which waits for a while.
        private async Task RenewAsync()
        {
            try
            {
                await tokens.FreshAsync(life.Token).ConfigureAwait(false);
            }
            catch (Exception)
            {
                // The attempt asks again, and deals with what comes.
            }
        }

        private bool ComesBack(int code, string reason)
        {
            if (options.Reconnect == null || !CloseCodes.ComesBack(code)) return false;
            // The server says that this token has had its time. What an upgrade of the game's own ends, it replaces.
            if (code != CloseCodes.TokenExpired || tokens.IsChanging || tokens.IsReplaced(usedToken)) return true;
            return tokens.CanRefresh && !IsSessionOver(reason);
        }

        private static bool IsSessionOver(string reason) => reason.StartsWith("session_ended", StringComparison.Ordinal);

        /// <summary>
        /// No token of this session is taken any more. That is for all rooms, and first of all for the game: this room hears of it from there.
        /// </summary>
        private void EndOfSession(GodraException why)
        {
            timer?.Dispose();
            phase = Phase.Waiting;
            var cause = Errors.SessionEnded($"The server takes no token of this session: {why.Message}", why);
            _ = options.Background(async () =>
            {
                await tokens.EndAsync(usedToken, cause).ConfigureAwait(false);
                lock (gate) End(lost.Code, lost.Reason, cause);
            });
        }

        private ReconnectingArgs RetryLater(int code, TimeSpan? retryAfter)
        {
            phase = Phase.Waiting;
            var next = attempts.Next(clock.NowMs, code, retryAfter);
            timer?.Dispose();
            if (!isOffline)
            {
                timer = clock.After(next.Delay.TotalMilliseconds, () =>
                {
                    lock (gate) if (phase == Phase.Waiting && !isOffline) DialNow();
                });
            }
            return next;
        }

        private void Failed(GodraException error)
        {
            var isTokenRefused = error.Status == 401 || error.CloseCode == CloseCodes.TokenExpired;
            if (isTokenRefused) tokens.Refused(usedToken, isOver: error.Code == "session_ended");
            if (isTokenRefused && tokens.CanRefresh && !hasAskedForToken)
            {
                hasAskedForToken = true;
                DialNow();
                return;
            }
            attempts.Failed(error);
            if (isLeaving) End(CloseCodes.Normal, ClosedByClient, null);
            else if (isTokenRefused) EndOfSession(error);
            else if (welcome == null || IsOver(error)) End(lost.Code, lost.Reason, error);
            else room.OnReconnecting(RetryLater(error.CloseCode ?? CloseCodes.Broken, error.RetryAfter));
        }

        private bool IsOver(GodraException error)
        {
            if (error.Code == "disconnected") return !ComesBack(error.CloseCode!.Value, "");
            return error.Kind == GodraErrorKind.Session || Refusal.IsFinal(error);
        }

        // The code tells the room whether the player's place is to be kept.
        private void DropAttempt(string reason) => Drop(welcome == null ? CloseCodes.Normal : CloseCodes.WillComeBack, reason);

        private void Drop(int code, string reason)
        {
            if (current == null) return;
            closing = current.CloseAsync(code, reason);
            current = null;
        }

        private void End(int code, string reason, GodraException? cause)
        {
            if (phase == Phase.Left) return;
            phase = Phase.Left;
            timer?.Dispose();
            Drop(CloseCodes.Normal, ClosedByClient);
            conversation.End(cause?.Message ?? "The room was closed");
            life.Cancel();
            if (welcome != null) room.OnDisconnected(new DisconnectedArgs(code, reason, false, cause));
            joined.TrySetException(cause ?? Errors.Cancelled());
            // Whoever waited may have given up; then nobody looks.
            _ = joined.Task.Exception;
        }
    }
}
