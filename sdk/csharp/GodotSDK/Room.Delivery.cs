#nullable enable
using System;
using System.Collections.Generic;

namespace GodotSDK
{
    /// <content>How a room tells the game what happened: in order, on the thread of the handlers.</content>
    public sealed partial class Room : IRoomListener
    {
        void IRoomListener.OnConnected(Welcome welcome) => dispatcher.Post(() =>
        {
            if (isClosed) return;
            replica.Welcome(welcome);
            Raise(Connected, welcome);
            if (!welcome.Recovered) Raise(StateChanged, State);
        });

        void IRoomListener.OnEvents(IReadOnlyList<RoomEvent> events) => dispatcher.Post(() =>
        {
            var isChanged = false;
            foreach (var e in events)
            {
                if (isClosed) return;
                isChanged |= Apply(e);
                Raise(Event, e);
                foreach (var handler in handlers.Of(e.Type)) Guard(() => handler(e));
                if (e.Type == "snapshot") Raise(Snapshot, e.Payload);
            }
            if (isChanged && !isClosed) Raise(StateChanged, State);
        });

        void IRoomListener.OnReconnecting(ReconnectingArgs args) => dispatcher.Post(() =>
        {
            log.Info($"room {Id}: attempt {args.Attempt} in {args.Delay.TotalMilliseconds:0} ms");
            if (!isClosed) Raise(Reconnecting, args);
        });

        void IRoomListener.OnDisconnected(DisconnectedArgs args)
        {
            if (!args.WillReconnect) client.Forget(this);
            dispatcher.Post(() =>
            {
                log.Info($"room {Id}: disconnected ({args.Code} {args.Reason})");
                if (!isClosed || !args.WillReconnect) Raise(Disconnected, args);
                if (!args.WillReconnect) over.TrySetResult(true);
            });
        }

        void IRoomListener.OnError(GodraException error) => dispatcher.Post(() => Report(error));

        private bool Apply(RoomEvent e)
        {
            var isChanged = false;
            Guard(() => isChanged = replica.Apply(e));
            return isChanged;
        }

        private void Raise<T>(Action<T>? listeners, T args)
        {
            if (listeners == null) return;
            foreach (var listener in listeners.GetInvocationList()) Guard(() => ((Action<T>)listener)(args));
        }

        /// <summary>A handler's mistake must not keep others from being called, nor go unseen.</summary>
        private void Guard(Action call)
        {
            try
            {
                call();
            }
            catch (Exception e)
            {
                log.Error($"room {Id}: a handler failed: {e}");
                Report(new GodraException("handler_failed", $"A handler of the game failed: {e.Message}", e), isLogged: true);
            }
        }

        private void Report(GodraException error, bool isLogged = false)
        {
            if (Error == null && !isLogged) log.Warning($"room {Id}: {error.Code}: {error.Message}");
            foreach (var listener in Error?.GetInvocationList() ?? Array.Empty<Delegate>())
            {
                try
                {
                    ((Action<GodraException>)listener)(error);
                }
                catch (Exception e)
                {
                    log.Error($"room {Id}: a handler of errors failed: {e}");
                }
            }
        }
    }
}
